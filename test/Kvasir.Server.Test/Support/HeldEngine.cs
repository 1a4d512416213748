using Kvasir.Server.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Kvasir.Server.Test.Support;

/// <summary>Holds a server's engine inside a step until it is let go: what comes meanwhile waits, as long as a test needs. Or lets it go on step by step.</summary>
internal sealed class HeldEngine : IDisposable
{
    private const int MostSteps = 200;
    private readonly SemaphoreSlim _steps = new(0);
    private readonly TaskCompletionSource _isHeld = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HeldEngine()
    {
    }

    /// <param name="isStepped">Whether it is held in each step that follows, too, 200 at most.</param>
    public static async Task<HeldEngine> HoldAsync(RunningServer server, bool isStepped = false)
    {
        var held = new HeldEngine();
        await server.Services.GetRequiredService<ServedModels>()
            .Ready!.Loop.SubmitAsync(new Sequence([1], new GenerationOptions { MaxTokens = isStepped ? MostSteps : 1, IgnoreEnd = true, Logits = held.Observe }));
        await held._isHeld.Task;
        return held;
    }

    /// <summary>Lets the step that is held end; the next one is held.</summary>
    public void Step() => _steps.Release();

    public void Release() => _steps.Release(MostSteps);

    public void Dispose() => Release();

    private void Observe(int index, ReadOnlySpan<float> logits)
    {
        _isHeld.TrySetResult();
        _steps.Wait();
    }
}
