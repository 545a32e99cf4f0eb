"""Trains image classifiers and keeps their predictions: datasets, models, training, inference, the study folder."""

from .datasets import load_dataset as load_dataset
from .datasets.own import make_dataset as make_dataset
from .errors import BadInput as BadInput
from .errors import DamageWarning as DamageWarning
from .errors import KofnError as KofnError
from .errors import StorageError as StorageError
from .importing.import_members import import_members as import_members
from .importing.parse import import_files as import_files
from .importing.save import save_predictions as save_predictions
from .inference.members import TrainedMember as TrainedMember
from .inference.members import open_member as open_member
from .inference.onnx_file import OnnxFile as OnnxFile
from .inference.onnx_file import export_onnx as export_onnx
from .inference.predict import predict as predict
from .study.check import Finding as Finding
from .study.check import StudyCheck as StudyCheck
from .study.check import check_study as check_study
from .study.child import large_files as large_files
from .study.history import Epoch as Epoch
from .study.history import History as History
from .study.history import read_history as read_history
from .study.predictions import Predictions as Predictions
from .study.recipe import Plan as Plan
from .study.recipe import Recipe as Recipe
from .study.split import Dataset as Dataset
from .study.split import Split as Split
from .study.study import Study as Study
from .study.study import StudyConfig as StudyConfig
from .training.base_plan import begin_study as begin_study
from .training.base_plan import open_study as open_study
from .training.conversion import convert_weights as convert_weights
from .training.event_files import log_to_tensorboard as log_to_tensorboard
from .training.job import Outcome as Outcome
from .training.plan_members import MemberPlan as MemberPlan
from .training.plan_members import TrainingPlan as TrainingPlan
from .training.plan_members import plan_members as plan_members
from .training.pool import train_members as train_members
from .training.search import search_members as search_members

__all__: list[str]
