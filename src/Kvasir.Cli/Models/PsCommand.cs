using System.Globalization;
using System.Text.Json;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Models;

/// <summary><c>kvasir ps</c>: what a server has in memory, and what it does with it.</summary>
internal sealed class PsCommand(Shell shell) : Verb
{
    // Servers tell a time far away for never.
    private static readonly DateTimeOffset Never = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly ValueFlag<Uri> Server = RemoteFlags.Server with { Help = RemoteFlags.Asked, Default = RemoteFlags.Usual };
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the text");

    public override string Name => "ps";

    public override string Summary => "Show what a server has in memory: size, context, KV in use, policy, who computes and waits, until when";

    public override IReadOnlyList<FlagGroup> Flags => [new("Server", Server), new("Output", Json)];

    public override IReadOnlyList<string> Examples => ["kvasir ps", $"kvasir ps --server {RemoteFlags.Usual} --json"];

    public override int Run(TypedCommand typed)
    {
        using var server = new RemoteServer(typed.Get(Server));
        RunningModel[] models = [.. server.Get("api/ps").GetProperty("models").EnumerateArray().Select(Read)];
        if (typed.Is(Json))
            shell.Output.WriteLine(ModelsJson.Text(new ProcessesReport(models)));
        else
            new TextSections(shell.Output).Write(
                $"{models.Length} {(models.Length == 1 ? "model" : "models")} in memory",
                [["name", "size", "context", "KV in use", "of", "running", "waiting", "until", "policy"], .. models.Select(Row)]);
        return ExitCode.Ok;
    }

    private static string[] Row(RunningModel model) =>
    [
        Printable.Line(model.Name),
        SizeText.Bytes(model.Bytes),
        SizeText.Count(model.ContextTokens),
        SizeText.Bytes(model.KvBytes),
        SizeText.Bytes(model.KvLimitBytes),
        SizeText.Count(model.Running),
        SizeText.Count(model.Waiting),
        model.Until?.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture) ?? "stays",
        Printable.Line(model.Policy),
    ];

    private static RunningModel Read(JsonElement model)
    {
        var own = model.GetProperty("kvasir");
        var until = model.GetProperty("expires_at").GetDateTimeOffset();
        return new RunningModel(
            model.GetProperty("name").GetString()!,
            model.GetProperty("size").GetInt64(),
            model.GetProperty("context_length").GetInt32(),
            own.GetProperty("kv_bytes").GetInt64(),
            own.GetProperty("kv_limit").GetInt64(),
            own.GetProperty("policy").GetString()!,
            own.GetProperty("running").GetInt32(),
            own.GetProperty("waiting").GetInt32(),
            until < Never ? until : null);
    }
}
