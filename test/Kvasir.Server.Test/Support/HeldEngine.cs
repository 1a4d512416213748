using Kvasir.Server.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Kvasir.Server.Test.Support;

/// <summary>Holds a server's engine inside a step until it is let go: what comes meanwhile waits, as long as a test needs.</summary>
internal sealed class HeldEngine : IDisposable
{
    private readonly ManualResetEventSlim _release = new();
    private readonly TaskCompletionSource _isHeld = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HeldEngine()
    {
    }

    public static async Task<HeldEngine> HoldAsync(RunningServer server)
    {
        var held = new HeldEngine();
        await server.Services.GetRequiredService<ServedModels>()
            .Ready!.Loop.SubmitAsync(new Sequence([1], new GenerationOptions { MaxTokens = 1, Logits = held.Observe }));
        await held._isHeld.Task;
        return held;
    }

    public void Release() => _release.Set();

    public void Dispose() => Release();

    private void Observe(int index, ReadOnlySpan<float> logits)
    {
        _isHeld.TrySetResult();
        _release.Wait();
    }
}
