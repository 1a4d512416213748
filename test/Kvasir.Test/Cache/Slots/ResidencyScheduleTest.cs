using Kvasir.Cache;
using Kvasir.Cache.Slots;

namespace Kvasir.Test.Cache.Slots;

/// <summary>Ranges by length: all in memory, then the newest and copies, and never more than the share as long as the policy's own rows are not.</summary>
public sealed class ResidencyScheduleTest
{
    private const int Share = 160;

    [Fact]
    public void PagesLeaveWhenTheShareIsFullAndNeverThoseOfTheWindow()
    {
        var schedule = new ResidencySchedule(Share, static rows => new SettledRows(rows / 10, rows / 10));
        var before = 0;
        for (var rows = 0; rows <= 2000; rows++)
        {
            var (cold, copies) = (schedule.ColdPages(rows), schedule.CopyPages(rows));
            Assert.Equal(rows > Share, copies > 0);
            Assert.True(cold >= before - 1, $"{rows} rows: {cold} pages after {before}");
            Assert.True(rows <= Share ? cold == 0 : cold * PagePool.PageTokens <= rows - (rows / 10) - 1, $"{rows} rows: {cold} pages may leave");
            // Pages that begin and end the window are there whole.
            var own = copies + ((rows / 10) / PagePool.PageTokens) + 2;
            Assert.True(schedule.PagesIn(rows) <= Math.Max(Share / PagePool.PageTokens, own), $"{rows} rows: {schedule.PagesIn(rows)} pages");
            before = cold;
        }
    }

    [Fact]
    public void WithoutAPolicyOfItsOwnTheNewestStay()
    {
        var schedule = new ResidencySchedule(Share, static _ => null);
        Assert.Equal((0, 0), (schedule.ColdPages(Share), schedule.CopyPages(5000)));
        Assert.Equal((5000 + 24 - Share) / PagePool.PageTokens, schedule.ColdPages(5000));
        Assert.Equal(0, ResidencySchedule.Whole.ColdPages(1 << 20));
    }
}
