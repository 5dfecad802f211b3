"""What dist_doctor looks at: each store as the live server shows it, and what is wrong with it.

A check is a function of a Subject that yields Findings. It asks the server over Django's own
connection, so what a role, a pooler or OPTIONS has set for the web servers is what it sees.
"""
