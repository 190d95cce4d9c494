"""From a film to a synthetic view: DICOM in, DICOM out."""
