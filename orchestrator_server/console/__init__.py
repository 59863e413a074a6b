"""The server's pages for people. They work without JavaScript and with the keyboard."""
