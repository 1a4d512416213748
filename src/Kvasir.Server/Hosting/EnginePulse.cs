namespace Kvasir.Server.Hosting;

/// <summary>Whether an engine that has something to do does it: a layer or a step within two minutes. One that rests is well.</summary>
internal sealed class EnginePulse(Engine engine, TimeProvider clock)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private readonly Lock _lock = new();
    private long _progress = -1;
    private long _since = clock.GetTimestamp();

    /// <summary>Asked now and then; how long it has stood still is known from the first time that somebody saw it there.</summary>
    public bool Beats
    {
        get
        {
            var figures = engine.Figures;
            lock (_lock)
            {
                var rests = figures.Running + figures.Waiting + figures.Preempted == 0;
                if (rests || figures.Progress != _progress)
                    (_progress, _since) = (figures.Progress, clock.GetTimestamp());
                return clock.GetElapsedTime(_since) < Patience;
            }
        }
    }
}
