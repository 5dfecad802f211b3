"""What has no command line option in every gunicorn: unknown names are ignored by older ones."""

control_socket_disable = True
