def run(master, findings, options):
    return "none"
def authorization(master, findings, options):
    return "none"
