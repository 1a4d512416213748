using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Answers;

/// <summary>
/// Waits for the model of a request. A load that takes longer than a client is to hear nothing begins the answer, so that behind it errors are in its stream;
/// in a quicker one they have their status.
/// </summary>
/// <param name="frames">Of a streamed answer; null for one that is sent whole.</param>
/// <param name="keepAlive">The longest silence; null for any.</param>
internal sealed class ModelWait(ServedModels models, RequestGate gate, TimeProvider clock, FrameWriter? frames, TimeSpan? keepAlive)
{
    /// <exception cref="Errors.RequestException">The model could not be loaded, or the server stops.</exception>
    public async Task<ServedModel> LoadAsync(HttpContext context, KnownModel known)
    {
        if (known.Served is { } served)
            return served;
        var record = RequestRecord.Of(context);
        var before = record.Elapsed;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, gate.End);
        var loading = models.ServeAsync(known, end.Token);
        while (!loading.IsCompleted)
        {
            using var quiet = CancellationTokenSource.CreateLinkedTokenSource(end.Token);
            await Task.WhenAny(loading, Task.Delay(keepAlive ?? Timeout.InfiniteTimeSpan, clock, quiet.Token)).ConfigureAwait(false);
            await quiet.CancelAsync().ConfigureAwait(false);
            if (!loading.IsCompleted && !end.IsCancellationRequested)
                await SayAsync(context).ConfigureAwait(false);
        }

        if (loading.IsCanceled && !context.RequestAborted.IsCancellationRequested)
            throw new Errors.RequestException(RequestGate.Refusal);
        served = await loading.ConfigureAwait(false);
        record.LoadTime = record.Elapsed - before;
        return served;
    }

    private async Task SayAsync(HttpContext context)
    {
        if (frames is null)
        {
            await WholeBody.KeepAliveAsync(context).ConfigureAwait(false);
            return;
        }

        await frames.StartAsync().ConfigureAwait(false);
        await frames.KeepAliveAsync("loading").ConfigureAwait(false);
    }
}
