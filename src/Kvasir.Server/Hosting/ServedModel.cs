using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Kvasir.Attention.Policies;
using Kvasir.Calls;
using Kvasir.Files;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models;
using Kvasir.Text;

namespace Kvasir.Server.Hosting;

/// <summary>A model with its engine, under the name that clients know.</summary>
internal sealed class ServedModel : IDisposable
{
    private const int PieceBytesLimit = 1024;
    private const int WarmTokens = 8;
    private const long TemplateLimitBytes = 64 << 20;
    private static readonly int[] WarmRows = [64, 512];
    private readonly Lazy<int> _longestPieceBytes;
    private readonly Lazy<FillTokens?> _fill;

    /// <param name="model">Its own from now on.</param>
    /// <exception cref="KvasirException">As the constructor of <see cref="Kvasir.Engine"/>.</exception>
    public ServedModel(string id, Model model, EngineOptions settings, ChatTemplate? template, TimeProvider clock)
    {
        (Id, Model, Settings, Template, LoadedAt) = (id, model, settings, template, clock.GetUtcNow());
        Loop = new EngineLoop(new Engine(model, settings));
        Pulse = new EnginePulse(Engine, clock);
        Format = AnswerFormat.Of(template, model.Tokenizer);
        Defaults = SamplingOptions.For(model.Defaults);
        Fingerprint = FingerprintOf(this);
        _longestPieceBytes = new Lazy<int>(() => LongestPiece(model.Tokenizer));
        _fill = new Lazy<FillTokens?>(() => FillTokens.Of(model.Tokenizer));
    }

    private ServedModel(ServedModel other, ChatTemplate template)
    {
        (Id, Model, Settings, LoadedAt, Loop, Pulse, Bells) = (other.Id, other.Model, other.Settings, other.LoadedAt, other.Loop, other.Pulse, other.Bells);
        (Defaults, Fingerprint, _longestPieceBytes, _fill) = (other.Defaults, other.Fingerprint, other._longestPieceBytes, other._fill);
        (Template, Format) = (template, AnswerFormat.Of(template, other.Model.Tokenizer));
    }

    public string Id { get; }

    public Model Model { get; }

    public EngineLoop Loop { get; }

    public Engine Engine => Loop.Engine;

    /// <summary>What is known of it whether or not it is in memory.</summary>
    public required KnownModel Known { get; init; }

    /// <summary>How the engine was told to run.</summary>
    public EngineOptions Settings { get; }

    /// <summary>Whether the engine moves.</summary>
    public EnginePulse Pulse { get; }

    /// <summary>Wakes whoever waits for an answer of it.</summary>
    public BellRope Bells { get; } = new();

    /// <summary>Null for a model that completes text only.</summary>
    public ChatTemplate? Template { get; }

    /// <summary>How it fills gaps; null where it was not made for that.</summary>
    public FillTokens? Fill => _fill.Value;

    /// <summary>How it calls tools, and marks what it thinks.</summary>
    public AnswerFormat Format { get; }

    public DateTimeOffset LoadedAt { get; }

    /// <summary>How it is sampled where a request does not say.</summary>
    public SamplingOptions Defaults { get; }

    /// <summary>Says which numbers to expect: the same for the same version, model, KV format and vectors.</summary>
    public string Fingerprint { get; }

    /// <summary>Text of more bytes than this for each token of the context cannot fit it.</summary>
    public int LongestPieceBytes => _longestPieceBytes.Value;

    /// <summary>Version of this build.</summary>
    public static string Version =>
        typeof(ServedModel).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>What the server's options say of the engine, but for attention that the machine chooses.</summary>
    public static EngineOptions EngineOf(KvasirOptions options) => options.GivenEngine() ?? new EngineOptions
    {
        Attention = options.Attention == AutoAttention.Name ? PolicyCatalog.Dense : PolicyCatalog.Parse(options.Attention),
        AuditShare = options.Audit,
        Kv = KvFormat.Find(options.Kv)!,
        KvMemoryBytes = options.KvMemoryBytes,
        KvDirectory = options.KvDirectory,
        KvDiskBytes = options.KvDiskBytes,
        PrefixBytesPerSecond = options.PrefixBytesPerSecond,
        ContextTokens = options.ContextTokens,
        Threads = options.Threads,
        MaxSequences = options.MaxSequences,
        BatchTokens = options.BatchTokens,
        StepMs = options.StepMs,
        MaxPrefills = options.MaxPrefills,
        MaxSequencesPerClient = options.KeyRunning,
        RequestTimeout = options.RequestTimeoutSeconds > 0 ? TimeSpan.FromSeconds(options.RequestTimeoutSeconds) : null,
        Queue = new QueueLimits
        {
            Sequences = options.MaxQueue,
            Tokens = options.MaxQueueTokens,
            Bytes = options.QueueBytes,
            SequencesPerClient = options.KeyWaiting,
            Timeout = options.QueueTimeoutSeconds > 0 ? TimeSpan.FromSeconds(options.QueueTimeoutSeconds) : null,
        },
    };

    /// <summary>The same model and engine under another template. Only what it was made of is disposed of.</summary>
    public ServedModel Under(ChatTemplate template) => new(this, template) { Known = Known };

    /// <summary>Computes what a first request would wait for: code is compiled, weights and scratch are in memory. Leaves nothing behind.</summary>
    /// <param name="progress">Told what share of it is done.</param>
    /// <exception cref="KvasirException">It cannot: the model's numbers are none, say.</exception>
    public async Task WarmAsync(Action<double> progress)
    {
        var done = 0.0;
        foreach (var rows in WarmRows)
        {
            var most = Math.Min(Engine.ContextTokens, Engine.Plan.TokensThatFit) - WarmTokens - 1;
            if (most < 1)
                return;
            var prompt = Enumerable.Range(0, (int)Math.Min(rows, most)).Select(i => i % Model.Config.VocabularySize).ToArray();
            var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = WarmTokens, IgnoreEnd = true, Cache = false });
            await Loop.SubmitAsync(sequence).ConfigureAwait(false);
            while (await sequence.WaitToReadAsync().ConfigureAwait(false))
                sequence.TryRead(out _);
            if (sequence.Failure is { } failure)
                throw failure;
            progress((done += rows) / WarmRows.Sum());
        }
    }

    /// <summary>Answers that are under way fail.</summary>
    public void Dispose()
    {
        Loop.Dispose();
        Model.Dispose();
    }

    public static ChatTemplate? TemplateIn(string? path)
    {
        if (path is null)
            return null;
        try
        {
            return ChatTemplate.Parse(PlainText.ReadFile(path, TemplateLimitBytes), path);
        }
        catch (KvasirException problem) when (problem.Error == KvasirError.FileNotFound)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"the chat template cannot be read: {problem.Message}", problem);
        }
    }

    private static string FingerprintOf(ServedModel served)
    {
        var text = $"{Version}|{served.Model.Config}|{served.Model.Weights.Bytes}|{served.Engine.Kv.Name}|{System.Numerics.Vector<float>.Count}";
        return $"kv_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12]}";
    }

    private static int LongestPiece(Tokenizer tokenizer)
    {
        var most = 1;
        for (var token = 0; token < tokenizer.VocabularySize; token++)
            most = Math.Max(most, Math.Max(tokenizer.Bytes(token).Length, tokenizer.IsControl(token) ? Encoding.UTF8.GetByteCount(tokenizer.Piece(token)) : 0));
        return Math.Min(most, PieceBytesLimit);
    }
}
