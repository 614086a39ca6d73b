"""The only place where the stages meet: a sweep file in, trained trials and logs out."""
