using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Test.Support;
using Kvasir.Text;

namespace Kvasir.Test.Calls;

/// <summary>Templates that call as three families of models do, in own words, and vocabularies of bytes with their marks.</summary>
internal static class CallTemplates
{
    public const string Hermes = """
        {%- if tools %}{{ '<|im_start|>system\n' }}{% for tool in tools %}{{ tool | tojson }}{{ '\n' }}{% endfor %}{{ '<|im_end|>\n' }}{% endif -%}
        {%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}{% if message.content %}{{ message.content }}{% endif %}
        {%- for call in message.tool_calls or [] %}{{ '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}{{ call.function.arguments | tojson }}{{ '}\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\n' }}{% endfor -%}
        {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% if thinks %}{{ '<think>\n' }}{% endif %}{% endif -%}
        """;

    public const string Llama = """
        {%- if tools %}{% for tool in tools %}{{ tool | tojson(indent=4) }}{% endfor %}{% endif -%}
        {%- for message in messages %}{{ '<|start|>' + message.role + '<|end|>\n\n' }}{% if message.tool_calls %}{% set call = message.tool_calls[0].function %}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{ call.arguments | tojson }}{{ '}' }}{% else %}{{ message.content }}{% endif %}{{ '<|eot|>' }}{% endfor -%}
        {%- if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif -%}
        """;

    public const string Mistral = """
        {%- for message in messages %}{% if message.role == 'user' %}{% if tools %}{{ '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}{{ '[INST]' + message.content + '[/INST]' }}
        {%- elif message.tool_calls %}{{ '[TOOL_CALLS] [' }}{% for call in message.tool_calls %}{% if call.id | length != 9 %}{{ raise_exception('ids have 9 characters') }}{% endif %}
        {{- '{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + ', "id": "' + call.id + '"}' }}{% endfor %}{{ ']</s>' }}
        {%- elif message.role == 'tool' %}{{ '[TOOL_RESULTS]' + message.content + '[/TOOL_RESULTS]' }}{% else %}{{ message.content + '</s>' }}{% endif %}{% endfor -%}
        """;

    /// <summary>Messages with channels.</summary>
    public const string Channels = """
        {%- if tools %}{{ '<|start|>developer<|message|>' }}{% for tool in tools %}{{ 'type ' + tool.function.name }}{% endfor %}{{ '<|end|>' }}{% endif -%}
        {%- for message in messages %}{{ '<|start|>' + message.role }}{% if message.tool_calls %}{% set call = message.tool_calls[0].function %}
        {{- ' to=functions.' + call.name + '<|channel|>commentary json<|message|>' + (call.arguments | tojson) + '<|call|>' }}
        {%- else %}{% if message.role == 'assistant' %}{{ '<|channel|>final' }}{% endif %}{{ '<|message|>' + message.content + '<|end|>' }}{% endif %}{% endfor -%}
        {%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif -%}
        """;

    /// <summary>The marks of channels; the last two end an answer, and so the one before them does not.</summary>
    public static readonly string[] ChannelMarks = ["<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|return|>", "<|call|>"];

    /// <summary>Every byte is a token, and so is each of these; those in brackets or with bars are control tokens.</summary>
    public static Tokenizer Vocabulary(params string[] marks)
    {
        var pieces = new JsonObject();
        foreach (var letter in Letters())
            pieces[letter] = pieces.Count;
        var added = new JsonArray();
        foreach (var mark in (string[])["</s>", .. marks])
            added.Add(new JsonObject { ["id"] = 256 + added.Count, ["content"] = mark, ["special"] = mark[0] == '[' || mark == "</s>" || mark[..2] == "<|" });
        var json = new JsonObject
        {
            ["added_tokens"] = added,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = true },
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = pieces, ["merges"] = new JsonArray() },
        };
        return TokenizerFixture.FromJson(Encoding.UTF8.GetBytes(json.ToJsonString()));
    }

    // The alphabet of byte-level vocabularies.
    private static IEnumerable<string> Letters()
    {
        var next = 256;
        for (var value = 0; value < 256; value++)
            yield return ((char)(value is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255) ? value : next++)).ToString();
    }
}
