// Begun: the room's first file takes its place.
