"""The colours that mean the same in all pictures, told apart with any kind of colour vision."""

LINE = "#33506b"
RECONSTRUCTION = "#e08214"
FLAGGED = "#d62728"
# What a bar is compared with.
REFERENCE = "0.4"
PALE = "0.7"
# From little to much, pale to dark.
SEQUENTIAL = "magma_r"
# Below and above, pale between.
DIVERGING = "PuOr"
# Behind what was not observed.
MISSING = "0.8"
