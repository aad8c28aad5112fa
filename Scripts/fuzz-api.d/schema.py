def run(master, findings, options):
    return "none"
