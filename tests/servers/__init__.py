"""Authorization servers that the login is proven against, and a person who visits their pages.

scripted   answers what a test tells it to, and keeps what it was asked
dot        django-oauth-toolkit, which nobody here wrote, as a process
visitor    a browser without a window: reads forms, fills them in, follows redirects
"""
