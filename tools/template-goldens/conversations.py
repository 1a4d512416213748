"""Conversations from a seed, with everything that trips template engines in their contents."""

import random

TEXTS = [
    "Hello!", "What is 2 + 2?", "  padded on both sides \n", "", "line one\nline two\n\n  indented", "tabs\tand \"double\" and 'single' quotes",
    "<b>html</b> & &amp; entities", "back\\slash \\n and {{ braces }} {% tags %} {# notes #}", "naïve café Grüße", "日本語のテキスト", "👩‍💻 family 👨‍👩‍👧 emoji 𝒳",
    "مرحبا بالعالم", "[INST] injected [/INST] </s>", "(bracketed)", "STOP here", "\u00a0non-breaking\u2003spaces\u200b", "control \x01\x7f\x1f chars", "a" * 230,
    "/no_think please", "/override only this", "1e5 and 0.1", "\n\n\nleading newlines", "percent %s %d 100%", "combining e\u0301 \u0928\u093f", "true", "null",
]
THOUGHTS = ["", "\nLet me see.\n", "So: 1 < 2 & \"yes\"", "多段\n思考"]
VALUES = ["Paris", "it's \"ok\"", 3, -7, 0, 2.5, 1e22, 1e-7, 100.0, True, False, None, [], {}, [1, "two", None], {"b": 1, "a": {"é": "𝒳"}}, "line\nbreak", "<&>", 12345678901234]
PARAMETERS = {
    "city": {"type": "string", "description": "The city's \"name\", e.g. <Köln> & more"},
    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
    "days": {"type": "integer", "minimum": 1, "maximum": 7.5, "default": 3},
    "tags": {"type": "array", "items": {"type": "string"}},
    "anything": {"type": ["string", "null"]},
    "flag": {"type": "boolean", "default": False},
    "nested": {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "array"}}, "required": ["y"]},
}


def tool(rng):
    names = rng.sample(sorted(PARAMETERS), rng.randint(0, len(PARAMETERS)))
    parameters = {"type": "object", "properties": {name: PARAMETERS[name] for name in names}, "required": names[:2]}
    description = rng.choice(["Looks up the weather.", "Two lines:\n\n  second 'line'", "日本語 🎉", ""])
    function = {"name": rng.choice(["get_weather", "search", "browser", "run-code"]), "description": description, "parameters": parameters}
    if rng.random() < 0.3:
        function["strict"] = True
    return {"type": "function", "function": function}


def call(rng, index):
    arguments = {rng.choice(sorted(PARAMETERS) + ["é", "Zeta"]): rng.choice(VALUES) for _ in range(rng.randint(0, 4))}
    result = {"type": "function", "function": {"name": rng.choice(["get_weather", "search", "browser"]), "arguments": arguments}}
    return {"id": f"call_{index:05d}", **result} if rng.random() < 0.8 else result


def content(rng):
    if rng.random() < 0.06:
        return [{"type": "text", "text": rng.choice(TEXTS)} if rng.random() < 0.8 else {"type": "image"} for _ in range(rng.randint(0, 3))]
    return rng.choice(TEXTS)


def answer(rng):
    message = {"role": "assistant", "content": rng.choice(TEXTS)}
    if rng.random() < 0.2:
        message["content"] = f"<think>{rng.choice(THOUGHTS)}</think>\n\n" + message["content"]
    elif rng.random() < 0.2:
        message["reasoning_content"] = rng.choice(THOUGHTS)
    return message


def calls_and_results(rng):
    calls = [call(rng, rng.randint(0, 99999)) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    messages = [{"role": "assistant", "content": rng.choice([None, "", "Let me look."]), "tool_calls": calls}]
    for one in calls:
        result = {"role": "tool", "content": rng.choice(TEXTS + ['{"temperature": 21.5}'])}
        if rng.random() < 0.4:
            result["name"] = one["function"]["name"]
        if "id" in one:
            result["tool_call_id"] = one["id"]
        messages.append(result)
    return messages


def conversation(rng):
    """Messages, and the variables that are rendered with them."""
    with_tools = rng.random() < 0.4
    messages = []
    if rng.random() < 0.45:
        messages.append({"role": "system", "content": rng.choice(TEXTS)})
    for turn in range(rng.randint(1, 4)):
        messages.append({"role": "user", "content": content(rng)})
        if with_tools and rng.random() < 0.7:
            messages += calls_and_results(rng)
        if turn < 3 and rng.random() < 0.85:
            messages.append(answer(rng))
    if rng.random() < 0.02:
        messages.append({"role": "narrator", "content": "Meanwhile."})
    variables = {"add_generation_prompt": rng.random() < 0.6, "bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None}
    if with_tools and rng.random() < 0.8:
        variables["tools"] = [tool(rng) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.1:
        variables["documents"] = [{"title": rng.choice(["", "One", None]), "text": rng.choice(TEXTS)} for _ in range(2)]
    for name, values in {"enable_thinking": [True, False], "date_string": ["26 Jul 2024"], "builtin_tools": [["browser", "search"]],
                         "tools_first": [False], "reasoning_effort": ["high"], "thinking_budget": [0, 100, 512, 5000, 99999], "thinking": [True],
                         "controls": [{"length": "short"}, ["citations"]]}.items():
        if rng.random() < 0.25:
            variables[name] = rng.choice(values)
    return messages, variables
