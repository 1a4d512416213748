using System.Text.Json.Nodes;
using Kvasir.Server.Errors;
using Kvasir.Server.Reading;

namespace Kvasir.Server.OpenAi;

/// <summary>What a request tells the template beside its messages.</summary>
internal static class TemplateVariables
{
    private const int MostVariables = 64;
    private const int MostBytes = 16 << 10;
    private static readonly string[] Own = ["messages", "tools", "documents", "add_generation_prompt", "continue_final_message", "bos_token", "eos_token"];

    /// <param name="given">An object of the client's own.</param>
    /// <param name="effort">How much the model is to think.</param>
    /// <returns>Null for none.</returns>
    public static JsonObject? Read(RequestValue? given, RequestValue? effort)
    {
        var variables = new JsonObject();
        foreach (var (name, value) in given?.Object().All(MostVariables) ?? [])
        {
            if (Own.Contains(name))
                throw value.Refused($"{value.Path} belongs to the template, and cannot be set");
            variables[name] = value.Node();
        }

        if (variables.ToJsonString().Length > MostBytes)
            throw given!.Refused($"{given.Path} has more than the {MostBytes} characters that are allowed");
        if (effort?.Word("none", "minimal", "low", "medium", "high", "xhigh", "max") is not { } word)
            return variables.Count > 0 ? variables : null;
        if (word == "none")
            variables["enable_thinking"] = false;
        variables["reasoning_effort"] = word;
        return variables;
    }
}
