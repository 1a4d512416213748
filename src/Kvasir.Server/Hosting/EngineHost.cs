using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>
/// Loads the model beside the start of the host, so that the server can say that it loads; lets requests end before the listener closes;
/// and frees the engines last.
/// </summary>
internal sealed class EngineHost(ServedModels models, PrefixStores stores, RequestGate gate, IOptions<KvasirOptions> options, TimeProvider clock)
    : IHostedLifecycleService
{
    private static readonly TimeSpan TendInterval = TimeSpan.FromSeconds(1);
    private Task _loading = Task.CompletedTask;
    private ITimer? _tending;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _loading = models.StartAsync();
        _tending = clock.CreateTimer(static models => ((ServedModels)models!).Tend(), models, TendInterval, TendInterval);
        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Before any service stops: the listener goes on answering that the server drains.
    public Task StoppingAsync(CancellationToken cancellationToken) =>
        gate.DrainAsync(TimeSpan.FromSeconds(options.Value.DrainSeconds), clock, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Behind the listener's end, so that no request meets an engine that is gone.
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (_tending is { } tending)
            await tending.DisposeAsync().ConfigureAwait(false);
        await _loading.ConfigureAwait(false);
        await models.CloseAsync().ConfigureAwait(false);
        // What engines leave at their end is written before that.
        stores.Dispose();
    }
}
