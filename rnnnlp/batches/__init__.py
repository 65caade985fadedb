"""Token ids to time-major batches: packed ragged batches of documents, windows of contiguous streams."""
