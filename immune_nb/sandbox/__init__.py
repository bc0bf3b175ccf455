"""A local IMMUNE, or iiniit: API and OAuth server in one process, started with ``python -m immune_nb.sandbox``.

It imports nothing of the client and the client imports nothing of it; they meet only in the written contract
(`api-contract.md`), so that a mistake cannot be made twice and cancel out. Read it in this order::

    __main__    flags, the one JSON line, signals          server     uvicorn, in this process or a thread
    app         what is wired to what                      settings   every choice that is not a fault
    roles       IMMUNE or iiniit: paths, scopes            problems   the error envelopes
    api_*       one function per endpoint of IMMUNE        iiniit     those of iiniit
    guard       who asks, and how often                    oauth      tokens, by authlib's server classes
    clients     who asks for tokens                        grants     how they come by them
    devices     signing in without a browser               endpoints  revocation, metadata and the like
    consent     what a person is asked                     visitors   who is at the browser
    pages       what they see                              sign_ins   a person's decision, for tests
    readings    windows, cursors, pages                    listing    the same for short lists
    plant       the machines and sensors                   signals    what they measure, at any second
    render      rows as bytes, kept in bounded caches      census     how many there are, without rendering
    alerts      what went wrong, and rules                 webhooks   signed delivery to loopback
    bodies      what clients send                          cursors    record ids, and places in the list
    faults      what to break, and how                     control    the same at run time, and the log
    store       all that changes, in SQLite                instants   ISO 8601 to microseconds and back
"""
