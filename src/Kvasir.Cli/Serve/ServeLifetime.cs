using Microsoft.Extensions.Hosting;

namespace Kvasir.Cli.Serve;

/// <summary>In place of the host's own: signals are the tool's.</summary>
internal sealed class ServeLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
