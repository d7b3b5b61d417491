"""`python -m qstore_tf`: the same as `qstore`."""

import sys

from qstore_tf.cli import main

if __name__ == "__main__":
    sys.exit(main())
