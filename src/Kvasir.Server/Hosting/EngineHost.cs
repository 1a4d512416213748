using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>
/// Loads the model beside the start of the host, so that the server can say that it loads; lets requests end before the listener closes; and frees the engine last.
/// </summary>
internal sealed partial class EngineHost(
    ServedModels models, RequestGate gate, IOptions<KvasirOptions> options, TimeProvider clock, ILogger<EngineHost> log) : IHostedLifecycleService
{
    private Task _loading = Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _loading = Task.Run(Load, CancellationToken.None);
        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Before any service stops: the listener goes on answering that the server drains.
    public Task StoppingAsync(CancellationToken cancellationToken) => gate.DrainAsync(TimeSpan.FromSeconds(options.Value.DrainSeconds), clock, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Behind the listener's end, so that no request meets an engine that is gone.
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        await _loading.ConfigureAwait(false);
        models.Ready?.Dispose();
    }

    private void Load()
    {
        try
        {
            var model = ServedModel.Load(options.Value, clock);
            models.SetLoaded(model);
            LogLoaded(model.Id, model.Model.LoadMs);
        }
        catch (Exception problem)
        {
            LogFailed(problem, options.Value.Model);
            models.SetFailed(problem);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Serving {Model}, loaded in {Ms:F0} ms")]
    private partial void LogLoaded(string model, double ms);

    [LoggerMessage(Level = LogLevel.Error, Message = "The model {Model} could not be loaded")]
    private partial void LogFailed(Exception problem, string model);
}
