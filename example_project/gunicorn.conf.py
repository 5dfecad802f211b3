"""What gunicorn reads by itself when it is started in this folder."""

preload_app = True  # a worker that was killed is back in a few milliseconds
worker_class = "gthread"
workers = 2
threads = 4
raw_env = ["SHOP_CONN_MAX_AGE=60"]  # its threads live on, and so may their connections; not so under ASGI
control_socket_disable = True  # leave nothing in the home folder
