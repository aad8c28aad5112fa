// Makes the target build until its first real file; delete it then.
