using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Kvasir.Server.Hosting;

/// <summary>
/// The served models for the host's own code, by <see cref="ChatOptions.ModelId"/>: the same engines as behind the routes, waited for while they load.
/// </summary>
internal sealed class ServedChatClient(ServedModels models) : IChatClient
{
    private static readonly ChatClientMetadata Metadata = new("kvasir");

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var (model, use) = await models.UseAsync(options?.ModelId, cancellationToken).ConfigureAwait(false);
        using var kept = use;
        using var client = new KvasirChatClient(model.Loop, model.Template);
        return await client.GetResponseAsync(messages, options, cancellationToken).ConfigureAwait(false);
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var (model, use) = await models.UseAsync(options?.ModelId, cancellationToken).ConfigureAwait(false);
        using var kept = use;
        using var client = new KvasirChatClient(model.Loop, model.Template);
        await foreach (var update in client.GetStreamingResponseAsync(messages, options, cancellationToken).ConfigureAwait(false))
            yield return update;
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(ChatClientMetadata) ? Metadata
            : serviceType == typeof(Engine) ? models.Ready?.Engine
            : serviceType == typeof(Model) ? models.Ready?.Model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    public void Dispose()
    {
    }
}
