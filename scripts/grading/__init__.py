"""The instructor edition: course folders, and grading with nbgrader, one submission at a time.

Nothing here runs a student's code in the grader's process. nbgrader stays outside; only the kernel
of a notebook is put into a sandbox (see `sandbox`), and it knows nothing of gradebook, solutions or
other submissions.
"""
