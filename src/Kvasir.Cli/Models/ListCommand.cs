using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;
using Kvasir.Cli.Terminal;
using Kvasir.Models;

namespace Kvasir.Cli.Models;

/// <summary><c>kvasir list</c>: models that can be run or served, here or at a server.</summary>
internal sealed class ListCommand(Shell shell) : Verb
{
    private static readonly ValueFlag<string> Folder = new("--models", "A folder with GGUF files and model folders, beside the bundled models",
        FlagValues.Path);
    private static readonly ValueFlag<Uri> Server = RemoteFlags.Server with { Help = RemoteFlags.Asked };
    private static readonly string Bundled = Path.Combine(AppContext.BaseDirectory, "models");
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object instead of the text");

    public override string Name => "list";

    public override string Summary => "List the models that are there: bundled ones, those of a folder, or a server's";

    public override IReadOnlyList<FlagGroup> Flags => [new("Models", Folder, Server), new("Output", Json)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir list",
        "kvasir list --models ~/models",
        $"kvasir list --server {RemoteFlags.Usual}",
    ];

    public override string? Refusal(TypedCommand typed) =>
        typed.Has(Folder) && typed.Has(Server)
            ? $"{Folder.Name} is of this machine, and {Server.Name} of another: give one of them"
            : null;

    public override int Run(TypedCommand typed)
    {
        var models = typed.Find(Server) is { } address ? OfServer(address) : OfFolders(typed.Find(Folder));
        if (typed.Is(Json))
        {
            shell.Output.WriteLine(ModelsJson.Text(new ModelsReport(models)));
            return ExitCode.Ok;
        }

        new TextSections(shell.Output).Write(
            $"{models.Length} {(models.Length == 1 ? "model" : "models")}",
            [["name", "size", "where"], .. models.Select(static model =>
                new[] { Printable.Line(model.Name), SizeText.Bytes(model.Bytes), Where(model) })]);
        return ExitCode.Ok;
    }

    private static string Where(ListedModel model) =>
        Printable.Line(model.Path ?? model.Status!) + (model.Progress is { } share ? string.Create(CultureInfo.InvariantCulture, $" {share:P0}") : "");

    private static ListedModel[] OfFolders(string? folder)
    {
        if (folder is not null && !Directory.Exists(folder))
            throw new KvasirException(KvasirError.FileNotFound, $"{Folder.Name}: there is no folder {folder}");
        var found = folder is null ? [] : ModelFolder.Find(folder);
        return [.. ModelFolder.Find(Bundled).Select(static model => new ListedModel(model.Name, model.Bytes, "bundled", null)),
            .. found.Select(static model => new ListedModel(model.Name, model.Bytes, model.Path, null))];
    }

    private static ListedModel[] OfServer(Uri address)
    {
        using var server = new RemoteServer(address);
        return [.. server.Get("v1/models").GetProperty("data").EnumerateArray().Select(static model =>
        {
            var meta = model.GetProperty("meta");
            var status = meta.GetProperty("status").GetString();
            var progress = meta.TryGetProperty("progress", out var share) ? share.GetDouble() : (double?)null;
            return new ListedModel(model.GetProperty("id").GetString()!, meta.GetProperty("size").GetInt64(), null, status) { Progress = progress };
        })];
    }
}
