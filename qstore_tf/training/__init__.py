"""What `qstore train` and `qstore bench` run: data, preprocessing, model, reports.

Nothing is imported here, so that the command line can check what the user asked for before it
pays for TensorFlow's import.
"""
