// One function for each question to the server.
