"""What `edge check` looks at, one file each; every check gives one finding, or raises the error that it met."""
