namespace Kvasir.Server.Test.Support;

/// <summary>Waits for what the server tells nobody of: it is looked at again and again, for ten seconds at most.</summary>
internal static class Soon
{
    private const int LimitMs = 10_000;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    /// <summary>Returns when something is so.</summary>
    /// <param name="otherwise">What is the case while it is not, for who reads that it never was.</param>
    public static Task SoAsync(Func<bool> isSo, Func<string> otherwise) => SeenAsync(() => Task.FromResult(isSo()), static so => so, _ => otherwise());

    /// <summary>Looks until what is seen is as it should be, and returns that.</summary>
    /// <param name="otherwise">What is the case, as seen last, for who reads that it never was.</param>
    public static async Task<T> SeenAsync<T>(Func<Task<T>> look, Predicate<T> isSo, Func<T, string> otherwise)
    {
        for (var end = Environment.TickCount64 + LimitMs; ; await Task.Delay(Pause))
        {
            var seen = await look();
            if (isSo(seen))
                return seen;
            Assert.True(Environment.TickCount64 < end, $"{otherwise(seen)} after {LimitMs} ms");
        }
    }
}
