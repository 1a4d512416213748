namespace Kvasir.Cli.Shared;

/// <summary>An engine that is ready, and how its attention was chosen.</summary>
/// <param name="Engine">Owned by whoever started it.</param>
/// <param name="Auto">What was chosen for a user who named no policy; null where one was named.</param>
internal sealed record StartedEngine(Engine Engine, AutoChoice? Auto) : IDisposable
{
    /// <summary>The policy of its sequences, for people.</summary>
    public string Attention => Auto?.ToString() ?? Engine.Policy.Name;

    public void Dispose() => Engine.Dispose();
}
