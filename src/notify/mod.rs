//! Ways to reach a person, one file each. What is asked, and whether it was answered, is not here.
