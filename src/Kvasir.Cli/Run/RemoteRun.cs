using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Calls;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;
using Kvasir.Cli.Terminal;
using Kvasir.Files;
using Kvasir.Text;

namespace Kvasir.Cli.Run;

/// <summary><c>kvasir run --server</c>: one prompt, answered by a server.</summary>
/// <param name="raw">Whether a text goes on as it is.</param>
internal sealed class RemoteRun(Shell shell, TypedCommand typed, Uri address, SwitchFlag raw)
{
    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed, SwitchFlag raw) => typed.Is(raw) && (typed.Has(FormFlags.JsonSchema) || typed.Is(FormFlags.JsonObject))
        ? "--json-schema and --json-object need the chat route of a server, which --raw leaves out"
        : null;

    /// <param name="model">Its name there, or null for the only one.</param>
    /// <param name="suffix">What stands behind the gap that the answer fills; null for no gap.</param>
    /// <param name="write">Takes the answer as it comes.</param>
    public int Run(string? model, string text, string? system, string? suffix, bool isJson, Action<string> write)
    {
        var (quiet, isRaw) = (typed.Is(OutputFlags.Quiet), typed.Is(raw));
        shell.RequireOutput();
        using var server = new RemoteServer(address);
        var body = isRaw ? RemoteRequest.Continuation(typed, model, text) : RemoteRequest.Chat(typed, model, Turns(text, system));
        if (suffix is not null)
            body["suffix"] = suffix;
        AddForm(body);
        var answer = RemoteAnswer.Ask(shell, server, isRaw ? "v1/completions" : "v1/chat/completions", body, quiet, isJson ? static _ => { } : write);
        if (isJson)
            shell.Output.WriteLine(ReportJson.Text(answer.Report(server.Address)));
        else if (!answer.Text.EndsWith('\n'))
            shell.Output.WriteLine();
        foreach (var line in quiet ? [] : answer.Lines())
            shell.Note(line);
        if (answer.Failure is { } failure)
            throw failure;
        return answer.IsCancelled ? shell.Interrupts.Code : ExitCode.Ok;
    }

    private static ChatTurn[] Turns(string text, string? system) =>
        system is null ? [new ChatTurn("user", text)] : [new ChatTurn("system", system), new ChatTurn("user", text)];

    private void AddForm(JsonObject body)
    {
        if (typed.Is(FormFlags.JsonObject))
            body["response_format"] = new JsonObject { ["type"] = "json_object" };
        if (typed.Find(FormFlags.JsonSchema) is { } file)
            body["response_format"] = new JsonObject
            {
                ["type"] = "json_schema",
                ["json_schema"] = new JsonObject { ["name"] = "answer", ["schema"] = Schema(file) },
            };
    }

    private static JsonNode? Schema(string file)
    {
        var text = PlainText.ReadFile(file, JsonConstraints.MostSchemaBytes);
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException problem)
        {
            throw new KvasirException(KvasirError.BadOption, $"{file}: {Printable.Line(problem.Message)}", problem);
        }
    }
}
