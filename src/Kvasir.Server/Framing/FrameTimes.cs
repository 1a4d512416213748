namespace Kvasir.Server.Framing;

/// <summary>When a stream has to say something, and how long a reader may take nothing.</summary>
internal sealed record FrameTimes(TimeProvider Clock, TimeSpan KeepAlive, TimeSpan WriteLimit);
