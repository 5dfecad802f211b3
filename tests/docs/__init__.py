"""The documentation is tested: blocks run, links resolve, tables equal the code, commands exist."""
