namespace Kvasir.Server.Answers;

/// <summary>A place in a conversation up to which a client wants to find the prompt again.</summary>
/// <param name="Turn">In which it is, or behind which; -1 for behind the tools.</param>
/// <param name="Chars">Of the turn's content; null for all of the turn.</param>
/// <param name="Time">For how long.</param>
internal readonly record struct CachePoint(int Turn, int? Chars, TimeSpan Time);
