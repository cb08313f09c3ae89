"""Judges JSON documents by a JSON Schema (Draft 7) with python3-jsonschema.

Reads {"schema": ..., "documents": [...]} from standard input; prints a list: for each document what is wrong with it,
or "" when nothing is.
"""

import json
import sys

import jsonschema

asked = json.load(sys.stdin)
jsonschema.Draft7Validator.check_schema(asked["schema"])
validator = jsonschema.Draft7Validator(asked["schema"])
json.dump(["\n".join(e.message for e in validator.iter_errors(document)) for document in asked["documents"]], sys.stdout)
