using Kvasir.Attention.Policies;
using Microsoft.Extensions.AI;

namespace Kvasir;

/// <summary>A model behind <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/>: a text is the mean of its tokens' last hidden states, of length 1.</summary>
public sealed class KvasirEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    // A queue has room for others too.
    private const int MostAtOnce = 16;
    private readonly EngineLoop _loop;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <param name="loop">Of an engine that others may use too, and that whoever made it disposes of.</param>
    public KvasirEmbeddingGenerator(EngineLoop loop)
    {
        ArgumentNullException.ThrowIfNull(loop);
        _loop = loop;
        _metadata = new EmbeddingGeneratorMetadata("kvasir", defaultModelId: Model.Config.Name, defaultModelDimensions: Model.Config.Width);
    }

    private Model Model => _loop.Engine.Model;

    /// <exception cref="KvasirException">A text is empty or does not fit, other dimensions are asked for than the model has, or the engine fails.</exception>
    /// <exception cref="ObjectDisposedException">The engine or its model was disposed.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions is { } wanted && wanted != Model.Config.Width)
            throw new KvasirException(KvasirError.Unsupported, $"embeddings of {wanted} dimensions were asked for, and the model has {Model.Config.Width}");
        var (made, tokens) = (new GeneratedEmbeddings<Embedding<float>>(), 0L);
        foreach (var some in values.Chunk(MostAtOnce))
        {
            var texts = some.Select(Prompt).ToList();
            tokens += texts.Sum(static text => (long)text.Length);
            made.AddRange(await Task.WhenAll(texts.Select(text => EmbedAsync(text, cancellationToken))).ConfigureAwait(false));
        }

        made.Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens };
        return made;
    }

    /// <summary>Gives the <see cref="Engine"/>, the <see cref="Kvasir.Model"/>, the generator's metadata, or the generator itself.</summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType == typeof(Engine) ? _loop.Engine
            : serviceType == typeof(Model) ? Model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    public void Dispose()
    {
    }

    /// <summary>Options of a prompt whose tokens' mean is wanted, and nothing behind it.</summary>
    public static GenerationOptions Pooled(GenerationOptions options, MeanState pool)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(pool);
        return options with { MaxTokens = 0, Hidden = pool.Add, Attention = PolicyCatalog.Dense };
    }

    // What a text spells is text.
    private int[] Prompt(string text) => text.Length > 0
        ? Model.Tokenizer.Encode(text)
        : throw new KvasirException(KvasirError.BadOption, "a text that is to be embedded is empty");

    private async Task<Embedding<float>> EmbedAsync(int[] prompt, CancellationToken cancellation)
    {
        var pool = new MeanState(Model.Config.Width);
        var sequence = new Sequence(prompt, Pooled(new GenerationOptions(), pool));
        await _loop.SubmitAsync(sequence).ConfigureAwait(false);
        try
        {
            // No token is generated: only the end, or the failure, is waited for.
            await foreach (var token in sequence.ReadAllAsync(cancellation).ConfigureAwait(false))
                _ = token;
        }
        finally
        {
            sequence.Cancel();
        }

        return new Embedding<float>(pool.Unit()) { ModelId = Model.Config.Name, CreatedAt = DateTimeOffset.UtcNow };
    }
}
