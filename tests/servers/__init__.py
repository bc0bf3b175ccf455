"""Servers that the login is proven against, a person who visits their pages, and a client to compare with.

scripted   answers what a test tells it to, and keeps what it was asked
dot        django-oauth-toolkit, which nobody here wrote, as a process
hub        a real JupyterHub, as a process
tunnel     a proxy that tunnels TLS and writes everything down, with a service behind it
visitor    a browser without a window: reads forms, fills them in, follows redirects
naive      two clients behind one handle: ours, and one as tutorials write it
"""
