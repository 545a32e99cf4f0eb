"""A tree with train/ and val/ and a folder of images per class, as torchvision's ImageFolder reads it."""

from ensemble.datasets.listing import (
    Listing,
    class_names,
    class_split,
    classes_of,
    find_train,
    find_val,
    flat_split,
    images_by_top,
    left_out,
    missing_classes,
)
from ensemble.datasets.source import Source

UNLABELLED = {"", "images", "unknown", "unlabelled"}


def list_folder(source: Source) -> Listing:
    """List train/, val/ (or valid/, validation/) and, where there is one, test/.

    test/ is unlabelled where its images lie flat, in it or in one folder named `images`, `unknown` or `unlabelled`;
    else its folders must be classes of train/.
    """
    tops = images_by_top(source)
    train = find_train(source, tops)
    val = find_val(source, tops)
    problems: list[str] = []
    classes = classes_of(source, "train", train)
    splits = [
        class_split(source, "train", "train", train, classes, problems),
        class_split(source, "val", val, tops[val], classes, problems),
    ]
    missing_classes(source, splits[1], val, classes, problems)
    test = tops.get("test", [])
    if test:
        folders = {p.split("/", 2)[1] if p.count("/") > 1 else "" for p in test}
        if len(folders) == 1 and folders <= UNLABELLED - set(classes):
            splits.append(flat_split(source, "test", "test", test, problems))
        else:
            splits.append(class_split(source, "test", "test", test, classes, problems))
    return Listing(
        layout="folder",
        class_ids=classes,
        class_names=class_names(source, classes),
        splits=tuple(splits),
        image_size=None,
        keep_grey=True,
        problems=tuple(problems),
        notes=left_out(source, ("train", val, "test")),
    )
