// `swiftlet-sandbox serve`: the resident launcher of one agent.
#pragma once

// Serves `socket_path` until the process that started it ends, or until SIGTERM. `spares`: children that wait for clients.
// Exit status: 0 told to end, 1 could not begin.
int resident_serve(const char *socket_path, int spares);
