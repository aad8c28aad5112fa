#!/usr/bin/env python3
"""Prints the failed tests of an xUnit report, one filter of `swift test` a line. Exit status 1 when it tells of none."""
import re
import sys
import xml.etree.ElementTree as tree


def main():
    try:
        cases = tree.parse(sys.argv[1]).getroot().iter("testcase")
        failed = [case for case in cases if case.find("failure") is not None]
    except (OSError, tree.ParseError):
        return 1  # The runner itself died: there is no report, and nothing to single out.
    for case in failed:
        print("^" + re.escape(f"{case.get('classname')}/{case.get('name')}"))
    return 0 if failed else 1


if __name__ == "__main__":
    sys.exit(main())
