using Microsoft.Extensions.AI;

namespace Kvasir.Server.Hosting;

/// <summary>The served models' embeddings for the host's own code: the same engines as behind the routes, waited for while they load.</summary>
internal sealed class ServedEmbeddingGenerator(ServedModels models) : IEmbeddingGenerator<string, Embedding<float>>
{
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        var (model, use) = await models.UseAsync(options?.ModelId, cancellationToken).ConfigureAwait(false);
        using var kept = use;
        using var generator = new KvasirEmbeddingGenerator(model.Loop);
        return await generator.GenerateAsync(values, options, cancellationToken).ConfigureAwait(false);
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        if (serviceType.IsInstanceOfType(this))
            return this;
        if (models.Ready is not { } model)
            return null;
        using var generator = new KvasirEmbeddingGenerator(model.Loop);
        return generator.GetService(serviceType);
    }

    public void Dispose()
    {
    }
}
