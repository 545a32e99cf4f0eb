"""When not to answer: selective prediction, conformal sets, the parts of uncertainty, shifted samples."""
