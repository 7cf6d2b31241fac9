"""`clarion bench image`: diffusion, and what it is to be compared with, at equal compute."""
