"""The pool: readers on GPU servers that many stations share, run by Ray Serve.

`replica` is one reader with its queue, and knows nothing of Ray or HTTP; `http` is the forms it is asked in; `serving`
makes it a Ray Serve application; `change` lets new weights in or keeps them out; `canary` tells a reader that reads
from one that only answers.
"""
