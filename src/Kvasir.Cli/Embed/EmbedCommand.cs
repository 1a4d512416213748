using System.Text.Json.Nodes;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;
using Kvasir.Cli.Terminal;
using Microsoft.Extensions.AI;

namespace Kvasir.Cli.Embed;

/// <summary><c>kvasir embed</c>: texts as vectors, a line of JSON each.</summary>
internal sealed class EmbedCommand(Shell shell) : Verb
{
    private const int MostAtOnce = 16;

    private static readonly Operand Text = new(
        "TEXT", "The text; without it, every line of --file or of the standard input is one", FlagValues.Text)
    { IsOptional = true };

    private static readonly ValueFlag<string> File = new(
        "--file", "Read texts from a file in UTF-8 (- for the standard input), one a line", FlagValues.Path)
    { Letter = "-f" };

    public override string Name => "embed";

    public override string Summary => "Turn texts into vectors, the mean of the model's last hidden states, and write a line of JSON for each";

    public override IReadOnlyList<Operand> Operands => [RemoteFlags.Model, Text];

    public override IReadOnlyList<FlagGroup> Flags =>
    [
        new("Texts", File), RemoteFlags.Group,
        new("Memory and processor", [EngineFlags.KvMemory, EngineFlags.Context, EngineFlags.Threads, ModelFlags.NoRepack, ModelFlags.WeightsMemory]),
        new("Output", OutputFlags.Quiet),
    ];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir embed model.gguf \"a cat on a mat\"",
        "kvasir embed model.gguf --file sentences.txt > vectors.jsonl",
        "cut -f2 titles.tsv | kvasir embed --server http://localhost:8080 | jq -c .embedding",
    ];

    public override string Notes => """
        A line is {"index":0,"embedding":[...]}; vectors have length 1, so that their product is the cosine between texts.
        With --server a single word is the text; with --file - behind it, it is the model's name there, and lines are read from the standard input.
        Models that were trained to answer embed worse than those that were trained to embed. A server embeds if it was started with --embeddings.
        """;

    public override string? Refusal(TypedCommand typed)
    {
        var (text, file) = (Words(typed).Text, typed.Find(File));
        if (text is not null && file is not null)
            return "a text and --file were given; one of them is allowed";
        if (text is null && file is null && shell.InputIsTerminal)
            return "no text: give TEXT, or --file PATH, or pipe lines in";
        if (text is "")
            return "the text is empty, which is nothing to embed";
        return typed.Has(RemoteFlags.Server) ? RemoteRequest.Refusal(typed) : null;
    }

    public override int Run(TypedCommand typed)
    {
        var (name, text) = Words(typed);
        var lines = TextLines.Read(shell, text, typed.Find(File));
        shell.RequireOutput();
        return typed.Find(RemoteFlags.Server) is { } address ? Ask(address, name, lines, typed) : Compute(name!, lines, typed);
    }

    // With a server one word is the text, unless that comes from a file.
    private static (string? Model, string? Text) Words(TypedCommand typed)
    {
        var (first, second) = (typed.Find(RemoteFlags.Model), typed.Find(Text));
        return typed.Has(RemoteFlags.Server) && second is null && !typed.Has(File) ? (null, first) : (first, second);
    }

    private int Compute(string name, TextLines lines, TypedCommand typed)
    {
        var quiet = typed.Is(OutputFlags.Quiet);
        using var model = ModelSetup.Load(shell, name, ModelFlags.Read(typed), quiet);
        var options = new EngineOptions
        {
            KvMemoryBytes = typed.FindValue(EngineFlags.KvMemory) ?? 0,
            ContextTokens = typed.FindValue(EngineFlags.Context) ?? 0,
            Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
            MaxSequences = MostAtOnce,
        };
        using var loop = new EngineLoop(ModelSetup.Start(shell, model, options, quiet));
        RequireRoom(loop.Engine, lines);
        using var generator = new KvasirEmbeddingGenerator(loop);
        return Write(lines, quiet, async (texts, stopping) =>
            [.. (await generator.GenerateAsync(texts, null, stopping).ConfigureAwait(false)).Select(static made => made.Vector.ToArray())]);
    }

    private static void RequireRoom(Engine engine, TextLines lines)
    {
        for (var i = 0; i < lines.All.Count; i++)
        {
            if (engine.Model.Tokenizer.Encode(lines.All[i]).Length is var tokens && tokens > engine.ContextTokens)
                throw new KvasirException(KvasirError.ContextExceeded, $"{lines.Place(i)} has {tokens} tokens, and the context has {engine.ContextTokens}");
        }
    }

    private int Ask(Uri address, string? name, TextLines lines, TypedCommand typed)
    {
        using var server = new RemoteServer(address);
        return Write(lines, typed.Is(OutputFlags.Quiet), async (texts, stopping) =>
        {
            var body = new JsonObject { ["input"] = new JsonArray([.. texts.Select(static text => JsonValue.Create(text))]), ["encoding_format"] = "float" };
            if (name is not null)
                body["model"] = name;
            var answer = await server.SendAsync(HttpMethod.Post, "v1/embeddings", body, stopping).ConfigureAwait(false);
            return [.. answer["data"]!.AsArray().Select(Vector)];
        });
    }

    private static float[] Vector(JsonNode? item) => [.. item!["embedding"]!.AsArray().Select(static value => value!.GetValue<float>())];

    // As they come: whoever reads the lines need not wait for the last.
    private int Write(TextLines lines, bool quiet, Func<string[], CancellationToken, Task<float[][]>> embed)
    {
        using var stopping = new CancellationTokenSource();
        var done = 0;
        try
        {
            shell.Interrupts.Guard(stopping.Cancel, () =>
            {
                using var progress = new ProgressLine(shell, quiet || shell.OutputIsTerminal, () => $"embedding text {done + 1} of {lines.All.Count}");
                foreach (var texts in lines.All.Chunk(MostAtOnce))
                {
                    foreach (var vector in embed(texts, stopping.Token).GetAwaiter().GetResult())
                        shell.Output.WriteLine(EmbedJson.Text(new EmbeddedText(done++, vector)));
                }
            });
            return ExitCode.Ok;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return shell.Interrupts.Code;
        }
    }
}
