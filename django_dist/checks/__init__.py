"""System checks: what is set up wrong is said at start, with its mend, never by the first request. No store is asked.

==== ======================================================================================
E001 DIST_IDEMPOTENCY or @idempotent names a backend, option, keyword or value that is not there
E002 IdempotencyMiddleware is missing from MIDDLEWARE
E003 IdempotencyMiddleware is in MIDDLEWARE twice
E004 IdempotencyMiddleware comes before AuthenticationMiddleware
E005 no installed model is written to the database that keeps the records
E006 a database router keeps the table of records away from that database
E007 AUTOCOMMIT is off for that database
E008 ATOMIC_REQUESTS stands around the records of mode "lease"
E011 completes is on and keep_request says not how the request is kept
E012 keep_request is "encrypted" and cryptography is not installed
E013 completes is on and the store cannot list what is unfinished
E021 a VersionedModel has a manager that is no ConcurrentManager
E022 a version is part of what must be unique
E023 a model has several versions
E024 a VersionedModel or GuardedModel is in a database that is not supported
E025 a field named in guarded_fields is no integer or decimal, or may be NULL
E041 the name and attributes of the session's cookie leave no room for a session
E042 DIST_SESSIONS names an option or value that is not there
E043 the alias of CACHES that the sessions are kept in is not made with django-redis
E044 sessions are to be encrypted and cryptography is not installed
E051 DIST_LOCKS names a backend or option that is not there
E009 MariaDB keeps empty texts and answers as NULL
W001 IdempotencyMiddleware is not the last of MIDDLEWARE
W002 a policy requires a key for safe methods, which carry none
W003 SQLite begins its transactions without the write lock
W004 several processes, and each has records of its own
W005 all_views is on and a login view of Django's is not exempt
W006 some models are written to another database than the records
W011 completes is on in mode "atomic", which leaves nothing unfinished
W021 the database of mode "lease" is at an isolation level that refuses a result after a renewal
W022 a GuardedModel has numbers that nothing can be taken from, and does not say which are guarded
W041 a browser drops cookies as long as hard_limit_bytes lets them be
W042 nginx answers 502 for a cookie as long as budget_bytes lets it be
W043 Django's SessionMiddleware stands before a session engine of ours
W044 the serializer of sessions pickles
W051 several processes, and each has locks of its own
I001 (with --deploy) a view of mode "lease" may write between its steps, and a crash repeat it
==== ======================================================================================
"""

from . import completion, concurrency, cookies, databases, leases, locks, middleware, policies, sessions, views  # noqa: F401  (each registers its own)
