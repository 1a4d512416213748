using System.Diagnostics;
using Kvasir.Calls;
using Kvasir.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Models.Families;
using Kvasir.Synthetic;
using Kvasir.Text;

namespace Kvasir;

/// <summary>
/// A model as its files have it: configuration, weights where they lie, tokenizer and chat template. Engines share one. It may be disposed before them, at any
/// time: what they compute then fails with <see cref="ObjectDisposedException"/>, and the files are closed when the last step in progress has ended.
/// Configuration, tokenizer and template are no part of the files and stay.
/// </summary>
public sealed class Model : IDisposable
{
    private readonly Lazy<ChatTemplate?> _template;
    private readonly Lazy<JsonConstraints> _constraints;
    private readonly Notes _notes;

    private Model(string path, ModelConfig config, Weights weights, (string Source, string Name)? template, Notes notes)
    {
        _notes = notes;
        Path = path;
        Config = config;
        Weights = weights;
        _constraints = new Lazy<JsonConstraints>(() => new JsonConstraints(Tokenizer!));
        _template = new Lazy<ChatTemplate?>(() => template is var (source, name) ? ChatTemplate.Parse(source, name) : null);
    }

    /// <summary>The file or folder it was read from.</summary>
    public string Path { get; }

    public ModelConfig Config { get; }

    public Weights Weights { get; }

    public required Tokenizer Tokenizer { get; init; }

    /// <summary>
    /// Null when the files have none: such a model is not made for chat. Read at first use, so that a model whose template is not
    /// supported still completes text.
    /// </summary>
    /// <exception cref="KvasirException">The template is damaged or uses what is not supported.</exception>
    public ChatTemplate? Template => _template.Value;

    /// <summary>Makes what answers can be held to, and keeps it for the next request.</summary>
    public JsonConstraints Constraints => _constraints.Value;

    /// <summary>How the model's makers want it sampled.</summary>
    public required GenerationDefaults Defaults { get; init; }

    /// <summary>What was passed over in its files, a line each: see <see cref="Kvasir.Notes"/>.</summary>
    public IReadOnlyList<string> Notes => _notes.Lines;

    /// <summary>Time that <see cref="Load"/> took.</summary>
    public required double LoadMs { get; init; }

    /// <summary>
    /// Opens a model. Where this machine has kernels for packed weights, they are copied, a second or less for each gigabyte that the system
    /// has in memory; elsewhere they are mapped, which takes milliseconds, and the system reads them as they are first used.
    /// </summary>
    /// <param name="name">
    /// A GGUF file, a Hugging Face style folder, a safetensors file in one, or the name of a bundled model, which only a model of that name in the working
    /// directory comes before.
    /// </param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="KvasirException">There is no such model, a file is damaged, or the model is of a kind that is not supported.</exception>
    public static Model Load(string name, ModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        var start = Stopwatch.GetTimestamp();
        var path = ModelFolder.Locate(name);
        return Directory.Exists(path) ? LoadFolder(path, options, start) : LoadGguf(path, options, start);
    }

    /// <summary>
    /// A model of random weights in a well-known shape, for measuring: time does not depend on what the weights are, and its text means
    /// nothing. Takes about a second for each gigabyte of weights; its tokenizer cuts text into bytes.
    /// </summary>
    /// <param name="name">One of <see cref="SyntheticShape.Names"/>; with a colon and a number for as many layers only.</param>
    /// <param name="weights">How matrices are stored.</param>
    /// <param name="seed">The same seed gives the same weights.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="KvasirException">The name is unknown, or the weights do not fit into the memory that is available.</exception>
    public static Model Synthetic(string name, SyntheticWeights weights = SyntheticWeights.Q4_0, ulong seed = 1, ModelOptions? options = null) =>
        Synthetic(SyntheticShape.Parse(name), weights, seed, options);

    /// <inheritdoc cref="Synthetic(string, SyntheticWeights, ulong, ModelOptions)"/>
    /// <param name="shape">Any sizes; rows of quantised matrices are whole blocks.</param>
    public static Model Synthetic(SyntheticShape shape, SyntheticWeights weights = SyntheticWeights.Q4_0, ulong seed = 1, ModelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var start = Stopwatch.GetTimestamp();
        var config = shape.Config.WithValues(options?.KvRank ?? 0);
        var tensors = new SyntheticTensors(shape, weights, seed);
        if (tensors.Bytes > ResidentMemory.AvailableBytes())
        {
            throw new KvasirException(
                KvasirError.BadOption,
                $"the weights of {tensors.Path} take {tensors.Bytes} bytes, and {ResidentMemory.AvailableBytes()} are available; "
                    + $"{shape.Config.Name}:LAYERS takes fewer layers");
        }

        return new Model(tensors.Path, config, Weights.Load(tensors, config, options), template: null, new Notes())
        {
            Tokenizer = Tokenizer.OfBytes(Math.Max(256, config.VocabularySize)),
            Defaults = new GenerationDefaults(),
            LoadMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds,
        };
    }

    /// <summary>The prompt tokens of a conversation. Only what the template wrote becomes control tokens: a message that spells one says it as text.</summary>
    /// <param name="turns">Oldest first.</param>
    /// <param name="options">What the template sees beside them; the texts of the begin and end tokens are filled in.</param>
    /// <param name="template">In place of the model's own.</param>
    /// <exception cref="KvasirException">There is no template, or it refuses the conversation.</exception>
    public int[] EncodeChat(IReadOnlyList<ChatTurn> turns, ChatTemplateOptions? options = null, ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(turns);
        template ??= Template ?? throw new KvasirException(KvasirError.BadTemplate, $"{Path} has no chat template; it completes text only");
        var text = template.RenderMarked(
            turns, (options ?? new ChatTemplateOptions()) with { BeginText = PieceOf(Tokenizer.BeginToken), EndText = PieceOf(Tokenizer.EndToken) });
        var tokens = new List<int>();
        Tokenizer.Encode(text, tokens);
        // Most templates spell the begin token out; the others rely on the tokenizer to add it.
        if (Tokenizer.AddsBegin && Tokenizer.BeginToken is { } begin && (tokens.Count == 0 || tokens[0] != begin))
            tokens.Insert(0, begin);
        return [.. tokens];
    }

    public void Dispose() => Weights.Dispose();

    private string? PieceOf(int? token) => token is { } id ? Tokenizer.Piece(id) : null;

    // One that writes nothing would leave out what the user says.
    private static (string Source, string Name)? Known((string Source, string Name)? template) =>
        template is var (source, name) && string.IsNullOrWhiteSpace(source) ? throw new KvasirException(KvasirError.BadFile, $"{name} is empty") : template;

    private static Model LoadGguf(string path, ModelOptions? options, long start)
    {
        var file = Gguf.Open(path);
        try
        {
            // The configuration first: of a model that is not supported, the architecture is the news.
            var config = ModelFamilies.Read(file).WithValues(options?.KvRank ?? 0);
            var tokenizer = Tokenizer.FromGguf(file.Metadata, path);
            var (keys, notes) = (file.Metadata, file.Metadata.Notes);
            var template = notes.Advice(
                () => keys.String("tokenizer.chat_template") is { } source ? Known((source, $"{path}: key 'tokenizer.chat_template'")) : null, null);
            return new Model(path, config, Weights.Load(file, config, options), template, notes)
            {
                Tokenizer = tokenizer,
                Defaults = new GenerationDefaults(),
                LoadMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds,
            };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static Model LoadFolder(string path, ModelOptions? options, long start)
    {
        var (files, notes) = (Safetensors.Open(path), new Notes());
        try
        {
            var config = ModelFamilies.Read(path, notes).WithValues(options?.KvRank ?? 0);
            var template = notes.Advice(() => Known(ChatTemplateFile.Find(path, "default", notes)), null);
            return new Model(path, config, Weights.Load(files, config, options), template, notes)
            {
                Tokenizer = Tokenizer.FromFolder(path, notes),
                Defaults = GenerationDefaults.FromFolder(path, notes),
                LoadMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds,
            };
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }
}
