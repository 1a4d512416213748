"""Jinja2 set up the way chat templates are rendered in Python, with a fixed clock."""

import datetime
import json

import jinja2
import jinja2.ext
import jinja2.sandbox

CLOCK = datetime.datetime(2024, 3, 5, 7, 8, 9)


class Generation(jinja2.ext.Extension):
    """{% generation %} marks the assistant's own text for training; rendering passes it through."""

    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("pass_through"), [], [], body).set_lineno(lineno)

    def pass_through(self, caller):
        return caller()


class Raised(Exception):
    """What a template raised itself."""


def raise_exception(message):
    raise Raised(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: CLOCK.strftime(format)
    return env


def outcome(env, source, variables):
    """{"text": ...}, or {"error": kind} where the template cannot be read or run; a template's own message is kept."""
    try:
        return {"text": env.from_string(source).render(**variables)}
    except jinja2.exceptions.UndefinedError:
        return {"error": "undefined"}
    except (jinja2.exceptions.TemplateSyntaxError, SyntaxError):
        return {"error": "syntax"}
    except jinja2.exceptions.SecurityError:
        return {"error": "security"}
    except Raised as error:
        return {"error": "raised", "message": str(error)}
    except Exception as error:  # Whatever Python raises is an error of the template.
        return {"error": type(error).__name__}
