using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Kvasir.Server.Hosting;

/// <summary>The served model for the host's own code: the same engine as behind the routes, waited for while it loads.</summary>
internal sealed class ServedChatClient(ServedModels models) : IChatClient
{
    private static readonly ChatClientMetadata Metadata = new("kvasir");

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var client = await ClientAsync(cancellationToken).ConfigureAwait(false);
        return await client.GetResponseAsync(messages, options, cancellationToken).ConfigureAwait(false);
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var client = await ClientAsync(cancellationToken).ConfigureAwait(false);
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

    private async Task<KvasirChatClient> ClientAsync(CancellationToken cancellation)
    {
        var model = await models.Loaded.WaitAsync(cancellation).ConfigureAwait(false);
        return new KvasirChatClient(model.Loop, model.Template);
    }
}
